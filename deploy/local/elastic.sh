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
  # -d: the starter ends once the server is up and leaves no second Java process behind; it also waits for it, so it runs
  # in the background here.
  rm -f "$dir/pid"
  (
    run_in "$dir" env ES_JAVA_HOME="$(java_home)" ES_PATH_CONF="$dir/config" ES_TMPDIR="$dir/tmp" CLI_JAVA_OPTS=-Xmx64m \
      setsid "$ELASTIC_DIST/bin/elasticsearch" -d -p "$dir/pid" >"$DATA/log/elastic.log" 2>&1 </dev/null 9>&- ||
      touch "$DATA/run/elastic.failed"
  ) &
}

elastic_ready() {
  alive elastic || { [ -s "$DATA/elastic/pid" ] && record elastic "$(cat "$DATA/elastic/pid")"; } || return 1
  [ "$(http_status "127.0.0.1:$PORT_elastic" '/_cluster/health?wait_for_status=yellow&timeout=1s')" = 200 ]
}

elastic_stop() { end elastic TERM; }
