# The Lambda as an image. Built on the system it runs on, so that it finds the C library it was linked to.
FROM public.ecr.aws/amazonlinux/amazonlinux:2023 AS build
RUN dnf install --assumeyes gcc && dnf clean all
RUN curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs \
    | sh -s -- -y --profile minimal --default-toolchain none
ENV PATH="/root/.cargo/bin:${PATH}"
WORKDIR /source
COPY . .
RUN cargo build --release --locked --package redis-sync --bin bootstrap

FROM public.ecr.aws/lambda/provided:al2023
COPY --from=build /source/target/release/bootstrap ${LAMBDA_RUNTIME_DIR}/bootstrap
CMD ["bootstrap"]
