# The image of sockgate: the binary, the libraries it links to, the system's certificate authorities, and no shell.
#
#   docker build -t sockgate .
#   docker run -p 8443:8443 -v "$PWD/etc:/etc/sockgate:ro" sockgate
#
# The configuration is /etc/sockgate/sockgate.toml; paths in it start in /etc/sockgate. listen.address must be
# 0.0.0.0:8443 there, since 127.0.0.1 is the container's own. `tests/suite/packaging.rs` compares this file with the tree.

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
COPY --from=builder /build/target/dist/sockgate /usr/local/bin/sockgate
WORKDIR /etc/sockgate
EXPOSE 8443
# Asks /readyz at the admin door, as the configuration names it.
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["/usr/local/bin/sockgate", "health"]
ENTRYPOINT ["/usr/local/bin/sockgate"]
CMD ["run"]
