package plane

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// kubeconfig is the text of a kubeconfig with everything embedded, so that it
// can be copied anywhere on this machine.
func kubeconfig(server, user string, ca, cert, key []byte) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: controlplane
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %[3]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: controlplane
  context:
    cluster: controlplane
    user: %[3]s
    namespace: default
current-context: controlplane
`, server, encode(ca), strconv.Quote(user), encode(cert), encode(key))
}

// Kubeconfig is the administrator's kubeconfig.
func (p *Plane) Kubeconfig() ([]byte, error) {
	if err := p.load(); err != nil {
		return nil, err
	}
	return os.ReadFile(p.KubeconfigFile())
}

// UserKubeconfig issues a new certificate for a user and returns a kubeconfig
// with it.
func (p *Plane) UserKubeconfig(name string, groups []string) ([]byte, error) {
	if strings.TrimSpace(name) == "" {
		return nil, errors.New("the user's name is empty")
	}
	for _, group := range groups {
		if strings.TrimSpace(group) == "" {
			return nil, errors.New("a group's name is empty")
		}
	}
	if err := p.load(); err != nil {
		return nil, err
	}
	ca, err := p.loadPair("ca")
	if err != nil {
		return nil, err
	}
	user, err := issue(ca, clientTemplate(identity{name, groups}))
	if err != nil {
		return nil, err
	}
	return kubeconfig(p.serverURL(), name, ca.certPEM, user.certPEM, user.keyPEM), nil
}

// writeConfig writes the files that depend on ports and certificates.
func (p *Plane) writeConfig() error {
	ca, err := p.loadPair("ca")
	if err != nil {
		return err
	}
	for file, leaf := range map[string]string{
		p.KubeconfigFile():                     "admin",
		p.pki("controller-manager.kubeconfig"): "controller-manager",
		p.pki("garbage-collector.kubeconfig"):  "garbage-collector",
	} {
		client, err := p.loadPair(leaf)
		if err != nil {
			return err
		}
		text := kubeconfig(p.serverURL(), client.certificate.Subject.CommonName, ca.certPEM, client.certPEM, client.keyPEM)
		if err := writeFile(file, text); err != nil {
			return err
		}
	}
	return writeFile(p.authenticationFile(), []byte(authenticationConfig))
}

func (p *Plane) authenticationFile() string { return p.path("authentication.yaml") }

// Without a certificate or a token only the health of the API server shows.
const authenticationConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`
