package plane

import (
	"crypto/x509"
	"os"
	"slices"
	"testing"
)

func newPKI(t *testing.T) *Plane {
	t.Helper()
	p := &Plane{Dir: t.TempDir()}
	if err := p.prepare(); err != nil {
		t.Fatal(err)
	}
	return p
}

func load(t *testing.T, p *Plane, name string) *pair {
	t.Helper()
	pr, err := p.loadPair(name)
	if err != nil {
		t.Fatal(err)
	}
	return pr
}

func TestServingCertificateIsTrustedOnLoopback(t *testing.T) {
	p := newPKI(t)
	roots := x509.NewCertPool()
	roots.AddCert(load(t, p, "ca").certificate)
	serving := load(t, p, "apiserver").certificate
	for _, name := range []string{"127.0.0.1", "localhost", "kubernetes.default.svc"} {
		if _, err := serving.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUsersCertificateDoesNotOpenEtcd(t *testing.T) {
	p := newPKI(t)
	etcdCA := load(t, p, "etcd-ca").certificate
	if load(t, p, "admin").certificate.CheckSignatureFrom(etcdCA) == nil {
		t.Error("a certificate of the cluster is signed by etcd's authority")
	}
}

func TestClientCertificateNamesUserAndGroups(t *testing.T) {
	subject := load(t, newPKI(t), "admin").certificate.Subject
	if subject.CommonName != "admin" || !slices.Equal(subject.Organization, []string{"system:masters"}) {
		t.Errorf("got %v", subject)
	}
}

func TestCertificatesAreKept(t *testing.T) {
	p := newPKI(t)
	before := load(t, p, "apiserver").certificate
	if err := p.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	if !load(t, p, "apiserver").certificate.Equal(before) {
		t.Error("a good certificate was replaced")
	}
}

func TestBrokenPairIsReplaced(t *testing.T) {
	p := newPKI(t)
	// As after a crash between writing the key and writing the certificate.
	other := load(t, p, "admin")
	if err := os.WriteFile(p.pki("apiserver.key"), other.keyPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	load(t, p, "apiserver")
}

func TestLeavesFollowANewAuthority(t *testing.T) {
	p := newPKI(t)
	if err := os.Remove(p.pki("ca.key")); err != nil {
		t.Fatal(err)
	}
	if err := p.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	if err := load(t, p, "admin").certificate.CheckSignatureFrom(load(t, p, "ca").certificate); err != nil {
		t.Error(err)
	}
}
