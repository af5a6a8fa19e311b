# The Lambda as an image, for the platform that is asked for:
#
#   docker build --platform linux/arm64 --provenance=false --tag redis-sync .
#
# Built on the system it runs on, so that it finds the C library it was linked to. Base images are pinned by the digest of their index.
FROM public.ecr.aws/amazonlinux/amazonlinux:2023@sha256:06da5a3362eda00c5114227ac81abe56dd9b943395553b7c64a310457f4d9e2b AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# The image is a release of the distribution, which pins its packages.
# hadolint ignore=DL3041
RUN dnf install --assumeyes gcc && dnf clean all
ENV RUSTUP_HOME=/opt/rustup CARGO_HOME=/opt/cargo PATH=/opt/cargo/bin:${PATH}
# rustup installs the toolchain of rust-toolchain.toml, and checks what it installs; it is checked here itself.
RUN case "$(uname -m)" in \
      x86_64) checksum=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c ;; \
      aarch64) checksum=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c ;; \
      *) echo "no toolchain for $(uname -m)" >&2; exit 1 ;; \
    esac \
    && curl --proto '=https' --tlsv1.2 --silent --show-error --fail --output /tmp/rustup-init \
      "https://static.rust-lang.org/rustup/archive/1.28.2/$(uname -m)-unknown-linux-gnu/rustup-init" \
    && echo "$checksum  /tmp/rustup-init" | sha256sum --check \
    && chmod +x /tmp/rustup-init \
    && /tmp/rustup-init -y --profile minimal --default-toolchain none --no-modify-path \
    && rm /tmp/rustup-init
WORKDIR /source

# The manifests, and of each package an empty library: what dependencies are built from.
FROM build AS manifests
COPY . .
RUN mkdir /manifests \
    && find . \( -name Cargo.toml -o -name Cargo.lock -o -name config.toml -o -name rust-toolchain.toml \) \
        -exec cp --parents -t /manifests {} + \
    && find /manifests -name Cargo.toml -execdir mkdir -p src \; -execdir touch src/lib.rs \; \
    && mkdir -p /manifests/host/src/bin && echo 'fn main() {}' > /manifests/host/src/bin/bootstrap.rs

# The dependencies, in a layer of their own; then the program, whose files are older than what was empty in their place.
FROM build AS program
COPY --from=manifests /manifests .
RUN cargo build --release --locked --package redis-sync --bin bootstrap
COPY . .
RUN find host -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package redis-sync --bin bootstrap

FROM public.ecr.aws/lambda/provided:al2023@sha256:c6a2e7cb103884b785ebce3ce826c7cfd68e9843d8d5e6773a53e902ced83a19
COPY --from=program --chmod=755 /source/target/release/bootstrap ${LAMBDA_RUNTIME_DIR}/bootstrap
# As Lambda runs it in any case; nobody of the system.
USER 65534:65534
CMD ["bootstrap"]
