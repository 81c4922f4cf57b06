package loopback

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// address is that of both ends of all connections in memory.
var address = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}

// memory is a listener whose connections are made of channels, on which a
// goroutine in a testing/synctest bubble is durably blocked.
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

func (m *memory) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: address, Err: err}
	}
	near, far := net.Pipe()
	reset := new(atomic.Bool)
	select {
	case m.conns <- &conn{far, reset}:
		return &conn{near, reset}, nil
	case <-m.closed:
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// conn is one end of a connection in memory.
type conn struct {
	net.Conn
	reset *atomic.Bool // shared with the other end
}

// SetLinger makes Close reset the connection, as [net.TCPConn.SetLinger] does if
// it is given 0.
func (c *conn) SetLinger(int) error {
	c.reset.Store(true)
	return nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) && c.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: address, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

func (*conn) RemoteAddr() net.Addr { return address }
