// Command ferretdb serves the MongoDB protocol on a PostgreSQL database.
//
// It is FerretDB's embeddable package and nothing else: that one starts no telemetry. FerretDB's own command cannot be had by
// "go install", because it panics without a version file that only its release process makes.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	// Without credentials in it, each client's own (PLAIN) are those that PostgreSQL checks, and its role is the client's.
	postgresql := flag.String("postgresql", "postgres://127.0.0.1:5432/postgres", "URL of the database")
	flag.Parse()

	slog.SetLogLoggerLevel(slog.LevelWarn)
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:      ferretdb.ListenerConfig{TCP: *listen},
		Handler:       "postgresql",
		PostgreSQLURL: *postgresql,
	})
	if err != nil {
		log.Fatal(err)
	}
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := server.Run(stopped); err != nil {
		log.Fatal(err)
	}
}
