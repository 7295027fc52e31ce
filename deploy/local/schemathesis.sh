#!/usr/bin/env bash
# `make schemathesis`: requests made from docs/openapi/openapi.yaml, valid and broken ones, against a running Turnout, every
# answer held against the description. TURNOUT_URL says which; without it this checkout's own is started (`make up`) and
# stays up. It writes events, answers and accounts there: never point it at real data.
#
# ARGS goes to schemathesis: ARGS="--include-operation-id submitRSVP --phases fuzzing".
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
SCHEMATHESIS=4.32.5
settings

venv=$LOCAL/schemathesis-$SCHEMATHESIS
if [ ! -x "$venv/bin/schemathesis" ]; then
  command -v python3 >/dev/null || die "Python is missing: install python3 (3.10 or newer) with venv"
  mkdir -p "$LOCAL"
  python3 -m venv "$venv" || die "python3 cannot make a virtual environment: install its venv package (python3-venv)"
  if ! fetching "schemathesis $SCHEMATHESIS" "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS"; then
    rm -rf "$venv"
    die "schemathesis could not be fetched: see above"
  fi
fi

if [ -z "${TURNOUT_URL:-}" ]; then
  "$HERE/run.sh" up
  load_env "$LOCAL/env"
  export TURNOUT_URL=http://$TURNOUT_HTTP_ADDR
fi
cd "$ROOT/deploy/schemathesis"
# shellcheck disable=SC2086 # ARGS is a list of words
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/schemathesis" --config-file schemathesis.toml run "$TURNOUT_URL/openapi.yaml" \
  --workers 1 --no-shrink ${ARGS:---max-time 300 --max-examples 25}
