#!/bin/sh
# /usr/local/bin/dcis-node: any command of the node as its user, with the settings of the service. RESEARCH USE ONLY.
# Typed by root it would else leave files that the node cannot write.
export DCIS_NODE_CONFIG="${DCIS_NODE_CONFIG:-/etc/dcis-node/config.toml}"
if [ "$(id -u)" = 0 ]; then
    export HOME=/var/cache/dcis-node
    exec setpriv --reuid=dcis-node --regid=dcis-node --init-groups -- /opt/dcis-node/bin/dcis-node "$@"
fi
exec /opt/dcis-node/bin/dcis-node "$@"
