# A job's image with Wheelkeep in it: docker build -f deploy/ci.Dockerfile -t ci-python .
# The image of Wheelkeep brings the Node that it needs.

FROM wheelkeep:0.1.0 AS wheelkeep
FROM python:3.13-bookworm
COPY --from=wheelkeep /usr/local/bin/node /usr/local/bin/node
COPY --from=wheelkeep /app /opt/wheelkeep
RUN ln -s /opt/wheelkeep/bin/wheelkeep /usr/local/bin/wheelkeep
