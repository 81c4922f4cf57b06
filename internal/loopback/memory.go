package loopback

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// address is the remote address of each connection. Nothing listens on port
// 0 of the network.
var address = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// memory is a listener without a network. It blocks only on channels, so the clock
// of a testing/synctest bubble moves while its goroutines wait.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newMemory() *memory {
	closed := make(chan struct{})
	return &memory{conns: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.close()
	return nil
}

func (*memory) Addr() net.Addr { return address }

func (m *memory) dial(_ context.Context, network, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case m.conns <- &conn{far, reset}:
		return &conn{near, reset}, nil
	case <-m.closed:
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address, Err: os.NewSyscallError("connect", ErrRefused)}
	}
}

// conn is one end of a connection in memory.
type conn struct {
	net.Conn
	reset *atomic.Bool // shared with the other end
}

// SetLinger makes Close reset the connection, like [net.TCPConn.SetLinger] with 0.
func (c *conn) SetLinger(int) error {
	c.reset.Store(true)
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) && c.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: address, Err: os.NewSyscallError("read", ErrReset)}
	}
	return n, err
}

func (*conn) RemoteAddr() net.Addr { return address }
