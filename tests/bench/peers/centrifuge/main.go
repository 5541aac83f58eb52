// Owns: the Centrifuge engine as a server of locations: a channel per user, held in memory.
// Invariant: a client is subscribed to the channels of all its friends before its connect is
// answered, and publishes to its own channel alone.
// Does not know: places. What is published goes to every follower as it is: no radius, no time to
// live, no interval; Centrifuge of this version has no such thing, so the client does it.
//
// A client connects with its user's token (its signature is not verified) as the token of the connect
// command, and publishes with the `send` command, which has no answer.
package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/ioutil"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

const headBytes = 16

// The friends of all users, from the file of nearby-bench: "NBFRIEND", 1, users, then for each user
// a count and so many ids, all little-endian words.
type graph struct {
	bytes  []byte
	starts []int
}

func openGraph(path string) (*graph, error) {
	bytes, err := ioutil.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g := &graph{bytes: bytes}
	if len(bytes) < headBytes || string(bytes[:8]) != "NBFRIEND" || g.word(8) != 1 {
		return nil, errors.New(path + ": no file of friendships, version 1")
	}
	g.starts = make([]int, g.word(12))
	at := headBytes
	for user := range g.starts {
		if at+4 > len(bytes) {
			break
		}
		g.starts[user] = at
		at += 4 + 4*int(g.word(at))
	}
	if at != len(bytes) {
		return nil, errors.New(path + ": of another length than it says")
	}
	return g, nil
}

func (g *graph) word(at int) uint32 {
	return binary.LittleEndian.Uint32(g.bytes[at:])
}

func (g *graph) friends(user int) map[string]centrifuge.SubscribeOptions {
	start := g.starts[user]
	count := int(g.word(start))
	channels := make(map[string]centrifuge.SubscribeOptions, count)
	for i := 1; i <= count; i++ {
		channels[strconv.Itoa(int(g.word(start+4*i)))] = centrifuge.SubscribeOptions{}
	}
	return channels
}

func userOf(token string, users int) (int, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, centrifuge.DisconnectInvalidToken
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0, centrifuge.DisconnectInvalidToken
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	if json.Unmarshal(text, &claims) != nil {
		return 0, centrifuge.DisconnectInvalidToken
	}
	user, err := strconv.Atoi(claims.Sub)
	if err != nil || user < 0 || user >= users {
		return 0, centrifuge.DisconnectInvalidToken
	}
	return user, nil
}

func newNode(g *graph) (*centrifuge.Node, error) {
	config := centrifuge.DefaultConfig
	config.ClientChannelLimit = 5000
	// Neither presence nor positions are used: their timers need not wake anybody.
	config.ClientPresenceUpdateInterval = time.Hour
	config.ClientChannelPositionCheckDelay = 24 * time.Hour
	node, err := centrifuge.New(config)
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(_ context.Context, event centrifuge.ConnectEvent) (
		centrifuge.ConnectReply, error) {
		user, err := userOf(event.Token, len(g.starts))
		if err != nil {
			return centrifuge.ConnectReply{}, err
		}
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: strconv.Itoa(user)},
			Subscriptions: g.friends(user),
		}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		channel := client.UserID()
		client.OnMessage(func(event centrifuge.MessageEvent) {
			if _, err := node.Publish(channel, event.Data); err != nil {
				log.Printf("publish: %v", err)
			}
		})
	})
	return node, node.Run()
}

func serve() error {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	friends := flag.String("friends", "", "file of friendships")
	flag.Int("interval-ms", 0, "not used: this version has no coalescing by time")
	flag.Parse()

	g, err := openGraph(*friends)
	if err != nil {
		return err
	}
	node, err := newNode(g)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		return err
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node,
		centrifuge.WebsocketConfig{
			PingInterval:       10 * time.Minute,
			WriteTimeout:       10 * time.Second,
			ReadBufferSize:     1024,
			UseWriteBufferPool: true,
			CheckOrigin:        func(*http.Request) bool { return true },
		}))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()
	fmt.Println("ready")
	return http.Serve(listener, nil)
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
