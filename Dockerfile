# Holdfast without a database of its own: it needs DATABASE_URL. The embedded PostgreSQL stays out because its data
# would end with the container; docker-compose.yml brings one whose data lies in a volume.
#
#   docker build -t holdfast .
#   docker run --init -p 127.0.0.1:3000:3000 -e ALLOW_UNAUTHENTICATED=true -e DATABASE_URL=postgres://… holdfast

# By major version, so that a rebuild brings the fixes of Node and Debian; by Debian's release, because `slim` alone
# would move to the next one some day. Not Alpine: steps run by bash, which it lacks.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
# Before the sources, so that a change of those alone finds this layer in the cache.
COPY package.json package-lock.json .npmrc ./
# Without install scripts and optional packages there is no second Node (package `node`) and no PostgreSQL: 180 MB less.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
COPY LICENSE ./
COPY migrations ./migrations
COPY src ./src
# For the command line: `docker compose exec holdfast node src/cli/main.ts jobs`.
COPY client/src ./client/src
# Root's, and readable by all whatever the umask of the clone was: steps cannot change the server that runs them.
RUN chmod -R u=rwX,go=rX .

FROM ${BASE}
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="A job-orchestration server you talk to with curl" \
      org.opencontainers.image.licenses="MIT"
# A container's loopback cannot be published, so it listens on all its addresses. The server does so only with
# ALLOW_UNAUTHENTICATED=true, which is left to whoever runs it: they know who reaches the published port.
# With a home in /tmp that is the one folder which must be writable, whoever the user is.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    HOME=/tmp
WORKDIR /app
# There is no build: Node runs the TypeScript of src/ as it is.
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/migrations ./migrations
COPY --from=build /app/src ./src
COPY --from=build /app/client/src ./client/src
# The user `node` of the base image, in digits, by which Kubernetes can tell that it is not root.
USER 1000:1000
EXPOSE 3000
# Not /readyz: a server whose database is away for a while keeps its steps, and must not be replaced for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# No shell and no npm in between, which would keep the signal to themselves.
CMD ["node", "src/main.ts"]
