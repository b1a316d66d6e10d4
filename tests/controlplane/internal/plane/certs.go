package plane

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	// A certificate that ends sooner than this is replaced by the next `up`.
	renewBefore = 30 * 24 * time.Hour
)

// pair is a certificate with its key.
type pair struct {
	certificate     *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

// identity is the subject of a client certificate, as Kubernetes reads it: the
// common name is the user, the organizations are the groups.
type identity struct {
	user   string
	groups []string
}

var (
	adminIdentity             = identity{"admin", []string{"system:masters"}}
	controllerManagerIdentity = identity{"system:kube-controller-manager", nil}
	apiserverIdentity         = identity{"kube-apiserver", nil}
	// The name the garbage collector has in every cluster, so that RBAC and
	// admission treat it as they do elsewhere.
	garbageCollectorIdentity = identity{
		"system:serviceaccount:kube-system:generic-garbage-collector",
		[]string{"system:serviceaccounts", "system:serviceaccounts:kube-system"},
	}
)

// ensurePKI creates the keys and certificates that are missing, broken, about to
// end, or signed by an authority that is no longer there.
func (p *Plane) ensurePKI() error {
	clusterCA, err := p.ensureAuthority("ca", "controlplane")
	if err != nil {
		return err
	}
	// etcd trusts an authority of its own. With the cluster's, every user's
	// certificate would open the database.
	etcdCA, err := p.ensureAuthority("etcd-ca", "controlplane-etcd")
	if err != nil {
		return err
	}
	for _, leaf := range []struct {
		name     string
		ca       *pair
		template *x509.Certificate
	}{
		{"apiserver", clusterCA, servingTemplate()},
		{"controller-manager-serving", clusterCA, servingTemplate()},
		{"etcd", etcdCA, servingTemplate()},
		{"etcd-client", etcdCA, clientTemplate(apiserverIdentity)},
		{"admin", clusterCA, clientTemplate(adminIdentity)},
		{"controller-manager", clusterCA, clientTemplate(controllerManagerIdentity)},
		{"garbage-collector", clusterCA, clientTemplate(garbageCollectorIdentity)},
	} {
		if _, err := p.ensureLeaf(leaf.name, leaf.ca, leaf.template); err != nil {
			return fmt.Errorf("%s: %w", leaf.name, err)
		}
	}
	return p.ensureServiceAccountKey()
}

func (p *Plane) ensureAuthority(name, commonName string) (*pair, error) {
	if ca, err := p.loadPair(name); err == nil && ca.certificate.IsCA && outlives(ca.certificate, leafLifetime) {
		return ca, nil
	}
	now := time.Now()
	ca, err := issue(nil, &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(authorityLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	if err != nil {
		return nil, err
	}
	return ca, p.storePair(name, ca)
}

func (p *Plane) ensureLeaf(name string, ca *pair, template *x509.Certificate) (*pair, error) {
	leaf, err := p.loadPair(name)
	if err == nil && outlives(leaf.certificate, renewBefore) && leaf.certificate.CheckSignatureFrom(ca.certificate) == nil {
		return leaf, nil
	}
	leaf, err = issue(ca, template)
	if err != nil {
		return nil, err
	}
	return leaf, p.storePair(name, leaf)
}

func outlives(certificate *x509.Certificate, d time.Duration) bool {
	return certificate.NotAfter.After(time.Now().Add(d))
}

// servingTemplate names every address by which a component is reached, the
// service of the API server included.
func servingTemplate() *x509.Certificate {
	template := leafTemplate("127.0.0.1", nil, x509.ExtKeyUsageServerAuth)
	// etcd dials itself, over the same certificate.
	template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 0, 0, 1)}
	template.DNSNames = []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local",
	}
	return template
}

func clientTemplate(who identity) *x509.Certificate {
	return leafTemplate(who.user, who.groups, x509.ExtKeyUsageClientAuth)
}

func leafTemplate(commonName string, organizations []string, usage x509.ExtKeyUsage) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName, Organization: organizations},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(leafLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
}

// issue makes a key and has its certificate signed by ca, or by itself without one.
func issue(ca *pair, template *x509.Certificate) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.certificate, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &pair{certificate: certificate, key: key, certPEM: certPEM, keyPEM: keyPEM}, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func (p *Plane) storePair(name string, pr *pair) error {
	if err := writeFile(p.pki(name+".key"), pr.keyPEM); err != nil {
		return err
	}
	return writeFile(p.pki(name+".crt"), pr.certPEM)
}

// loadPair reads a pair and checks that key and certificate belong together: a
// crash between the two files leaves a pair that does not.
func (p *Plane) loadPair(name string) (*pair, error) {
	var (
		pr  pair
		err error
	)
	if pr.certPEM, err = os.ReadFile(p.pki(name + ".crt")); err != nil {
		return nil, err
	}
	if pr.keyPEM, err = os.ReadFile(p.pki(name + ".key")); err != nil {
		return nil, err
	}
	both, err := tls.X509KeyPair(pr.certPEM, pr.keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	key, ok := both.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an ECDSA key", name)
	}
	pr.certificate, pr.key = both.Leaf, key
	return &pr, nil
}

// ensureServiceAccountKey creates the key that signs service account tokens.
func (p *Plane) ensureServiceAccountKey() error {
	file := p.pki("service-account.key")
	if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte("PRIVATE KEY")) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	text, err := encodeKey(key)
	if err != nil {
		return err
	}
	return writeFile(file, text)
}
