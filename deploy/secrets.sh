#!/bin/sh
# Makes the secrets of `docker compose --profile full`, each once; run it again, and nothing changes.
#
# A container sees a secret as the file is here, so its user must be able to read it: what keeps
# others on this machine out is the folder.
set -eu
umask 022
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 700 "$folder"

write() { # write NAME VALUE
    [ -s "$folder/$1" ] || printf %s "$2" > "$folder/$1"
}
random() { od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n'; }

write postgres_password "$(random)"
write zoo_database_url "postgresql://zoo:$(cat "$folder/postgres_password")@postgres/zoo"
write grafana_password "$(random)"
echo "Grafana: admin, with the password in $folder/grafana_password"
