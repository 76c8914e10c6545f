package lying

import (
	"encoding/binary"
	"io"
	"net"

	"golang.org/x/crypto/ssh"
)

// Greet answers every connection with an SSH greeting and the names of algorithms, and hangs up once the other side
// has. It is what a host may say before anybody knows who it is. It returns when the listener is closed.
func Greet(listener net.Listener, keyExchange, hostKeys []string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_, _ = conn.Write(append([]byte("SSH-2.0-lying\r\n"), algorithms(keyExchange, hostKeys)...)) // whoever hung up knows
			_, _ = io.Copy(io.Discard, conn)                                                             // until it does
		}()
	}
}

// algorithms is an SSH_MSG_KEXINIT in its packet (RFC 4253, 6 and 7.1).
func algorithms(keyExchange, hostKeys []string) []byte {
	cipher, mac, none := []string{"aes128-ctr"}, []string{"hmac-sha2-256"}, []string{"none"}
	payload := ssh.Marshal(&struct {
		Cookie                                                      [16]byte `sshtype:"20"`
		KeyExchange, HostKeys                                       []string
		CipherOut, CipherIn, MACOut, MACIn, CompressOut, CompressIn []string
		LanguagesOut, LanguagesIn                                   []string
		Follows                                                     bool
		Reserved                                                    uint32
	}{
		KeyExchange: keyExchange, HostKeys: hostKeys, CipherOut: cipher, CipherIn: cipher,
		MACOut: mac, MACIn: mac, CompressOut: none, CompressIn: none,
	})
	padding := 8 - (5+len(payload))%8 + 8
	packet := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding)) //nolint:gosec // a few names
	packet = append(packet, byte(padding))
	packet = append(packet, payload...)
	return append(packet, make([]byte, padding)...)
}
