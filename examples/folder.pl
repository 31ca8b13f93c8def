#!/usr/bin/perl
# The same carrier as folder.sh, and the same files, in Perl: the line protocol of `paquebot help plugin`.
use strict; use warnings;
use Digest::SHA; use IO::Handle; use File::Path 'remove_tree';
$| = 1;
my ($path, $form) = ('', qr/^salt=[0-9a-f]{32}( to=[0-9a-f]{16}\/[0-9a-f]{32})+ expires=\d{1,15} priority=[0-2] hops=\d{1,3}$/);
sub slurp { my ($file) = @_; open my $in, '<:raw', $file or return; local $/; my $all = <$in>; return $all; }
sub keep { # whole, or not at all: written aside, synced, renamed
    my ($name, $data) = @_; my $aside = "$path/tmp.$$";
    open my $out, '>:raw', $aside or return;
    my $good = print {$out} $data; $good &&= $out->flush && $out->sync; $good = close($out) && $good;
    $good &&= rename $aside, "$path/$name"; unlink $aside unless $good;
    open my $folder, '<', $path; $folder->sync if $folder; return $good;
}
while (my $line = <STDIN>) {
    chomp $line;
    my ($head, $text) = split / :/, $line, 2;
    my ($verb, @words) = split ' ', $head;
    my %is = map { split /=/, $_, 2 } @words;
    my $key = $is{key} // '';
    if ($verb eq 'hello') { print "hello version=1\n" }
    elsif ($verb eq 'setting') { $path = $text if $is{name} eq 'path' }
    elsif ($verb eq 'open' && -d $path && -r _) {
        my $writable = -w $path ? 'yes' : 'no'; my ($dev, $ino) = stat $path;
        print "ready bytes=16777216 latency=86400000 medium=$dev-$ino cheap=yes keeps=yes relays=yes",
            " tokens=$writable writable=$writable\n";
    } elsif ($verb eq 'open') { print "transient :$path is not there\n" }
    elsif ($verb eq 'send') {
        my $data = join(' ', grep { /^(salt|to|expires|priority|hops)=/ } @words) . "\n" . slurp($is{file});
        $key = Digest::SHA::sha256_hex($data);
        print keep("$key.parcel", $data) ? "handed number=$is{number} stage=on-medium key=$key\n"
            : "failed number=$is{number} :it cannot be written\n";
    } elsif ($verb eq 'collect') {
        for (sort glob "\Q$path\E/*.parcel \Q$path\E/*.token") {
            if (m{/[0-9a-f]{64}\.([0-9a-f]{32})\.token$}) { print "token value=$1\n"; next }
            m{/([0-9a-f]{64})\.parcel$} && -f && open(my $in, '<:raw', $_) or next;
            my $name = $1; read $in, my $start, 8000; my ($outside) = split /\n/, $start;
            print "item key=$name $outside\n" if ($outside // '') =~ $form;
        }
        print "end\n";
    } elsif ($verb eq 'fetch') {
        my $data = slurp("$path/$key.parcel");
        if (!defined $data) { print "gone key=$key\n" }
        elsif (Digest::SHA::sha256_hex($data) ne $key) { print "damaged key=$key :it is not what was put there\n" }
        else {
            open my $out, '>:raw', 'exchange/it'; print {$out} substr $data, 1 + index $data, "\n";
            print close($out) ? "parcel key=$key file=exchange/it\n" : "transient :no room\n";
        }
    } elsif ($verb eq 'settle' || $verb eq 'show') {
        print !$is{token} || keep("$key.$is{token}.token", '') ? "done key=$key\n" : "transient :no room\n";
    } elsif ($verb eq 'forget') { unlink "$path/$key.parcel", glob "\Q$path\E/$key.*.token"; print "done key=$key\n" }
    elsif ($verb eq 'scratch' && mkdir "$path/$is{name}") { print "setting name=path :$path/$is{name}\nfolder :$path/$is{name}\ndone\n" }
    elsif ($verb eq 'clean') { remove_tree("$path/$is{name}"); print "done\n" }
    elsif ($verb eq 'close') { print "done\n"; exit }
    else { print "unsupported\n" }
}
