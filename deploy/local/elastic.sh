# shellcheck shell=bash
# Elasticsearch 8, one node, from the zip that install.sh fetched. Sourced by engines.sh.

ELASTIC_HEAP=512m

elastic_start() {
  local dir=$DATA/elastic
  rm -rf "$dir/config"
  mkdir -p "$dir/tmp" "$dir/log"
  cp -r "$ELASTIC_DIST/config" "$dir/config"
  sed -e "s|@PORT@|$PORT_elastic|g" -e "s|@DIR@|$dir|g" "$HERE/elasticsearch.yml" >"$dir/config/elasticsearch.yml"
  mkdir -p "$dir/config/jvm.options.d"
  printf '%s\n' "-Xms$ELASTIC_HEAP" "-Xmx$ELASTIC_HEAP" "-XX:HeapDumpPath=$dir/log" >"$dir/config/jvm.options.d/turnout.options"
  own "$dir"
  # -d: the starter ends once the server is up, and leaves no second Java process behind.
  rm -f "$dir/pid"
  spawn elastic-starter env ES_JAVA_HOME="$(java_home)" ES_PATH_CONF="$dir/config" ES_TMPDIR="$dir/tmp" \
    CLI_JAVA_OPTS=-Xmx64m "$ELASTIC_DIST/bin/elasticsearch" -d -p "$dir/pid"
}

# elastic_adopt records the server's own pid, as soon as it has written it. That it is ours shows in its arguments.
elastic_adopt() {
  local pid
  alive elastic && return 0
  pid=$(cat "$DATA/elastic/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  grep -qF "$DATA/elastic/tmp" "/proc/$pid/cmdline" 2>/dev/null && record elastic "$pid"
}

elastic_ready() {
  elastic_adopt &&
    [ "$(http_status "127.0.0.1:$PORT_elastic" '/_cluster/health?wait_for_status=yellow&timeout=1s')" = 200 ]
}

elastic_stop() {
  end elastic-starter TERM # takes a server that is still starting with it
  elastic_adopt || true
  end elastic TERM
}
