package plane

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client asks a component about its health.
type client struct{ http *http.Client }

func (p *Plane) newClient(ca, certificate string) (*client, error) {
	authority, err := p.loadPair(ca)
	if err != nil {
		return nil, err
	}
	own, err := p.loadPair(certificate)
	if err != nil {
		return nil, err
	}
	both, err := tls.X509KeyPair(own.certPEM, own.keyPEM)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.certificate)
	return &client{&http.Client{
		Timeout: 5 * time.Second,
		// Proxy stays unset: everything is on this machine.
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{both}},
			DisableKeepAlives: true,
		},
	}}, nil
}

// ok returns nil if the URL answers 200.
func (c *client) ok(url string) error {
	response, err := c.http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, failedChecks(string(body)))
	}
	return nil
}

// failedChecks leaves of a health report, which has a line for each of some
// forty checks, what is not well.
func failedChecks(report string) string {
	var failed []string
	for line := range strings.Lines(report) {
		if name, ok := strings.CutPrefix(line, "[-]"); ok {
			failed = append(failed, strings.TrimSuffix(strings.TrimSpace(name), " failed: reason withheld"))
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(report)
	}
	return "failing: " + strings.Join(failed, ", ")
}
