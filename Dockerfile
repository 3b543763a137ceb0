# The image of sockgate: the binary, the libraries it links to, the system's certificate authorities, and no shell.
#
#   docker build -t sockgate .
#   docker run --read-only --cap-drop ALL --stop-timeout 30 -p 8443:8443 -v "$PWD/etc:/etc/sockgate:ro" sockgate
#
# The configuration is /etc/sockgate/sockgate.toml; paths in it start in /etc/sockgate. listen.address must be
# 0.0.0.0:8443 there, since 127.0.0.1 is the container's own. The gate writes nothing, so the root file system may be read-only;
# two options make it write, and want a volume that user 65532 may write to: tls.generate (in tls.directory, for development)
# and revocation.file. `tests/suite/packaging.rs` compares this file with the tree.

FROM rust:1.95-bookworm AS builder
WORKDIR /build

# Dependencies in a layer of their own, which lasts until the lock file changes. cargo wants something to build with them.
COPY Cargo.toml Cargo.lock ./
COPY .cargo ./.cargo
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --locked --profile dist --bin sockgate

# The sources may be older than the layer above, and cargo would take what stands there for built.
COPY src ./src
RUN find src -name '*.rs' -exec touch {} + && cargo build --locked --profile dist --bin sockgate

# The same Debian as the builder's, so that the C library is no older than the one that was linked to.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="sockgate" \
      org.opencontainers.image.description="A gate for Socket.IO and WebSocket apps: TLS, origins, JWT, limits, sticky sessions" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /build/target/dist/sockgate /usr/local/bin/sockgate
WORKDIR /etc/sockgate
EXPOSE 8443
# It leaves in good order within drain.delay and drain.grace; the stop timeout must be longer.
STOPSIGNAL SIGTERM
# Asks /readyz at the probe or the admin door, as the configuration names them.
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["/usr/local/bin/sockgate", "health"]
ENTRYPOINT ["/usr/local/bin/sockgate"]
CMD ["run"]
