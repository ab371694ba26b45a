#!/bin/bash
# Starts ClickHouse as the image would, with one user more: `grafana`, who can read the tables of customer-journeys and
# nothing else. The password comes from a secret file, and only its hash goes into the configuration. It is written at
# every start, so that a changed secret counts; a server without that user is better than none.
set -u

secret="${GRAFANA_SECRET:-/run/secrets/grafana_password}"
folder="${CLICKHOUSE_USERS:-/etc/clickhouse-server/users.d}"
start="${CLICKHOUSE_START:-/entrypoint.sh}"

add_reader() {
  [ -s "$secret" ] || return
  hash="$(tr -d '\n' <"$secret" | sha256sum | cut -d ' ' -f 1)" || return
  cat >"$folder/grafana.xml" <<XML
<clickhouse>
  <profiles>
    <grafana>
      <readonly>2</readonly>
      <max_execution_time>60</max_execution_time>
      <max_memory_usage>4000000000</max_memory_usage>
      <max_result_rows>1000000</max_result_rows>
    </grafana>
  </profiles>
  <users>
    <grafana>
      <password_sha256_hex>$hash</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>grafana</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON journeys.*</query></grants>
    </grafana>
  </users>
</clickhouse>
XML
}

add_reader || echo "no user grafana: cannot make it from $secret in $folder" >&2
exec "$start" "$@"
