// Prints the certificates of the authorities that Mozilla trusts, as PEM: what `/etc/ssl/certs/ca-certificates.crt` of
// the image is. They are pinned by go.sum, and so the same on every machine, whatever it trusts itself.
package main

import (
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		// An authority that is trusted under a condition: PEM cannot say it, so it is left out.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			fmt.Fprintln(os.Stderr, "roots:", err)
			os.Exit(1)
		}
	}
}
