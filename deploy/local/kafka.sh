# shellcheck shell=bash
# Kafka in KRaft mode, one node, from the jars that install.sh fetched. Sourced by engines.sh.

KAFKA_HEAP=384m

kafka_start() {
  local dir=$DATA/kafka
  mkdir -p "$dir"
  own "$dir"
  sed -e "s|@PORT@|$PORT_kafka|g" -e "s|@CONTROLLER_PORT@|$PORT_controller|g" -e "s|@DIR@|$dir/log|g" \
    "$HERE/server.properties" >"$dir/server.properties"
  cp "$HERE/log4j2.xml" "$dir/log4j2.xml"
  if [ ! -s "$dir/log/meta.properties" ]; then
    rm -rf "$dir/log"
    local id
    id=T$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-20)Q # 22 letters of base64url, as Kafka wants it
    run_in "$dir" "$(java_home)/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_DIST/*" \
      "-Dlog4j2.configurationFile=$dir/log4j2.xml" \
      kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$DATA/log/kafka.log" 2>&1 || return 1
  fi
  spawn kafka "$(java_home)/bin/java" "-Xmx$KAFKA_HEAP" "-Xms$KAFKA_HEAP" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
    "-Dlog4j2.configurationFile=$dir/log4j2.xml" -cp "$KAFKA_DIST/*" kafka.Kafka "$dir/server.properties"
}

# Ready is not "the port is open": the broker must answer a request (ApiVersions, version 0, correlation id 1).
kafka_ready() {
  local answer
  { exec 3<>"/dev/tcp/127.0.0.1/$PORT_kafka"; } 2>/dev/null || return 1
  printf '\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff' >&3
  answer=$(timeout 2 head -c 8 <&3 | od -An -tx1 | tr -d ' \n')
  exec 3>&-
  [ "${answer:8}" = 00000001 ]
}

kafka_stop() { end kafka TERM; }
