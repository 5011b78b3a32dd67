# Two stages: the packages, then the product on them. What runs is the TypeScript of src/, as in a checkout.

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings its own Node 24; the pinned one of npm and the linter are optional dependencies and stay out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    WHEELKEEP_HOST=0.0.0.0 \
    WHEELKEEP_DATA_DIR=/var/lib/wheelkeep \
    WHEELKEEP_LOG_FORMAT=json
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY src src
RUN install -d -o node -g node /var/lib/wheelkeep
# By number, so that Kubernetes can see that it is not root.
USER 1000:1000
VOLUME /var/lib/wheelkeep
EXPOSE 5030
# No curl in the image: the runtime itself asks. Readiness is the ability to serve, never upstream's health.
# A Kubernetes Service named wheelkeep sets WHEELKEEP_PORT to an URL, which the product ignores as well.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${Number(process.env.WHEELKEEP_PORT) || 5030}/-/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/bin/wheelkeep"]
CMD ["serve"]
