#!/bin/sh
# A shared folder as a carrier, in any shell: the line protocol of `paquebot help plugin`, with sha256sum for names.
#   [transport.loft]
#   uses = "program"
#   command = ["/path/to/folder.sh"]
#   settings = { path = "/srv/loft" }
export LC_ALL=C
say() { printf '%s\n' "$*"; }
keep() { sync -f "$path/tmp.$$" && mv "$path/tmp.$$" "$path/$1" && sync -f "$path"; } # whole, or not at all
form='salt=[0-9a-f]{32}( to=[0-9a-f]{16}/[0-9a-f]{32})+ expires=[0-9]{1,15} priority=[0-2] hops=[0-9]{1,3}'
while read -r verb rest; do
    text=${rest#*:} name='' key='' number='' file='' token='' outside=''
    for word in ${rest%%:*}; do
        case $word in
            name=*) name=${word#*=} ;; key=*) key=${word#*=} ;; number=*) number=${word#*=} ;;
            file=*) file=${word#*=} ;; token=*) token=${word#*=} ;;
            salt=* | to=* | expires=* | priority=* | hops=*) outside="$outside $word" ;;
        esac
    done
    case $verb in
        hello) say hello version=1 ;;
        setting) [ "$name" = path ] && path=$text ;;
        open)
            if [ -d "$path" ] && [ -r "$path" ]; then
                writable=no && [ -w "$path" ] && writable=yes
                say ready bytes=16777216 latency=86400000 "medium=$(stat -c %d-%i "$path")" \
                    cheap=yes tokens=$writable writable=$writable keeps=yes relays=yes
            else say "transient :$path is not there"; fi ;;
        send) # a file is named by its hash; its first line says what stands on the outside
            if { say "${outside# }" && cat "$file"; } > "$path/tmp.$$" && key=$(sha256sum < "$path/tmp.$$") &&
                key=${key%% *} && keep "$key.parcel"; then say handed number="$number" stage=on-medium key="$key"
            else rm -f "$path/tmp.$$"; say "failed number=$number why=transient :it cannot be written"; fi ;;
        collect)
            for each in "$path"/*.parcel "$path"/*.token; do
                each=${each##*/} key=${each%.*}
                case $key in *[!0-9a-f.]*) continue ;; esac # not ours
                case $each in
                    *.token) say token value="${key##*.}" ;;
                    *) outside=$(head -c 8000 "$path/$each" | head -n 1 | grep -xE "$form") && say "item key=$key $outside" ;;
                esac
            done
            say end ;;
        fetch)
            hash=$(sha256sum < "$path/$key.parcel" 2> /dev/null)
            if [ -z "$hash" ]; then say gone key="$key"
            elif [ "${hash%% *}" = "$key" ] && tail -n +2 "$path/$key.parcel" > exchange/it; then
                say parcel key="$key" file=exchange/it
            else say "damaged key=$key :what lies there is not what was put there"; fi ;;
        settle | show)
            if [ -z "$token" ] || { : > "$path/tmp.$$" && keep "$key.$token.token"; }; then say "done" key="$key"
            else say "transient :its token cannot be written"; fi ;;
        forget) rm -f "$path/$key.parcel" "$path/$key".*.token && say "done" key="$key" ;;
        scratch) mkdir "$path/$name" && say "setting name=path :$path/$name" && say "folder :$path/$name"; say "done" ;;
        clean) rm -rf "${path:?}/$name" && say "done" ;;
        close) say "done"; exit ;;
        *) say unsupported ;;
    esac
done
