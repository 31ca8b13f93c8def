#!/bin/sh
# A shared folder as a carrier, in any shell: the line protocol of `paquebot help plugin`, with sha256sum for names.
#   [transport.loft]
#   uses = "program"
#   command = ["/path/to/folder.sh"]
#   settings = { path = "/srv/loft" }
set -u
say() { printf '%s\n' "$*"; }
keep() { # TEXT FILE: write it so that it is there whole or not at all
    printf '%s\n' "$1" > "$path/tmp.$$" && sync -f "$path/tmp.$$" && mv "$path/tmp.$$" "$2" && sync -f "$path"
}
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
        paquebot) say paquebot version=1 ;;
        setting) [ "$name" = path ] && path=$text ;;
        open)
            if [ -d "$path" ] && [ -r "$path" ]; then
                writable=no && [ -w "$path" ] && writable=yes
                say ready bytes=16777216 latency=86400000 "medium=$(stat -c %d-%i "$path")" \
                    cheap=yes tokens=$writable writable=$writable keeps=yes relays=yes
            else say "transient :$path is not there"; fi ;;
        send) # parcel.HASH is the parcel; for.HASH, which is written last, is its outside
            key=$(sha256sum < "$file") key=${key%% *}
            if cp "$file" "$path/tmp.$$" && sync -f "$path/tmp.$$" && mv "$path/tmp.$$" "$path/parcel.$key" &&
                keep "$outside" "$path/for.$key"; then say handed number="$number" stage=on-medium key="$key"
            else rm -f "$path/tmp.$$"; say "failed number=$number why=transient :it cannot be written"; fi ;;
        collect)
            for each in "$path"/for.*; do
                [ -f "$each" ] && read -r outside < "$each" && say "item key=${each##*/for.} $outside"
            done
            for each in "$path"/token.*; do [ -f "$each" ] && say token value="${each##*.}"; done
            say end ;;
        fetch)
            hash=$(sha256sum < "$path/parcel.$key" 2> /dev/null)
            if [ -z "$hash" ]; then say gone key="$key"
            elif [ "${hash%% *}" = "$key" ] && cp "$path/parcel.$key" exchange/it; then say parcel key="$key" file=exchange/it
            else say "damaged key=$key :what lies there is not what was put there"; fi ;;
        settle | show)
            if [ -z "$token" ] || keep shown "$path/token.$key.$token"; then say "done" key="$key"
            else say "transient :its token cannot be written"; fi ;;
        forget) rm -f "$path/for.$key" "$path/parcel.$key" "$path/token.$key".* && say "done" key="$key" ;;
        close) say "done"; exit ;;
        *) say unsupported ;;
    esac
done
