#!/usr/bin/perl
# Keeps nginx running while no control plane looks. It opens the listening TCP sockets and hands them to nginx (as nginx hands them to its
# own successor in an upgrade: the variable NGINX names the descriptors). So they outlive nginx: between its death and its return the
# kernel keeps new connections waiting, and none is refused. Perl, because every Debian and Ubuntu has it and it needs 5 MB.
#
#   supervise.pl FOLDER FEED_SOCKET ADDRESS... -- NGINX ARGUMENT...
#
# FOLDER: the router's. FEED_SOCKET: removed before each start, since nginx does not bind over an old one. ADDRESS: 0.0.0.0:8080 or
# [::]:8080. SIGTERM ends nginx and this program.
use strict;
use warnings;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use POSIX qw(setsid);
use Socket qw(AF_INET AF_INET6 SOCK_STREAM SOL_SOCKET SO_REUSEADDR IPPROTO_IPV6 IPV6_V6ONLY inet_pton pack_sockaddr_in pack_sockaddr_in6);

use constant { LOOK => 0.05, FIRST_PAUSE => 0.1, LONGEST_PAUSE => 2, QUICK_DEATH => 1, BACKLOG => 511 };

# Sockets are to be inherited.
$^F = 255;
my ($folder, $feed, @rest) = @ARGV;
my @addresses;
push @addresses, shift @rest while @rest && $rest[0] ne '--';
shift @rest;
my @nginx = @rest;
my (@sockets, $child, $ending);

setsid();
$SIG{TERM} = sub {
  $ending = 1;
  kill 'TERM', $child if $child;
};
$SIG{$_} = 'IGNORE' for qw(HUP INT PIPE);
write_file("$folder/supervisor.pid", "$$\n");

my $pause = FIRST_PAUSE;
until ($ending) {
  # One that is not ours, left by a supervisor that was killed: its end is waited for.
  if (my $pid = running()) {
    my $group = getpgrp($pid);
    nap(LOOK) while !$ending && running() == $pid;
    quit($group) unless $ending;
    next;
  }
  unless (@sockets || open_sockets()) {
    nap(LOOK);
    next;
  }
  unlink $feed;
  my $began = now();
  $child = start();
  # The signal may have come before there was a child.
  kill 'TERM', $child if $ending;
  1 until waitpid($child, 0) == $child;
  my ($group, $status) = ($child, $?);
  $child = undef;
  last if $ending;
  note("nginx has ended with status $status");
  # Workers that have lost their master finish their requests.
  quit($group);
  $pause = now() - $began > QUICK_DEATH ? FIRST_PAUSE : $pause * 2;
  $pause = LONGEST_PAUSE if $pause > LONGEST_PAUSE;
  nap($pause) if now() - $began <= QUICK_DEATH;
}
unlink "$folder/supervisor.pid";

# Process id of nginx's master; 0 when it does not run. A recycled id is not taken for it.
sub running {
  my ($pid) = read_file("$folder/nginx.pid") =~ /^(\d+)/ or return 0;
  (my $command = read_file("/proc/$pid/cmdline")) =~ tr/\0/ /;
  return index($command, "-c $folder/nginx.conf") >= 0 ? $pid : 0;
}

# All or none: what holds a port now may leave it in a moment.
sub open_sockets {
  my @opened;
  for (@addresses) {
    my ($host, $port) = /^\[?([^\]]*?)\]?:(\d+)$/ or die "not an address: $_\n";
    my $family = $host =~ /:/ ? AF_INET6 : AF_INET;
    socket(my $socket, $family, SOCK_STREAM, 0) or die "no socket: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, 1) if $family == AF_INET6;
    my $address = inet_pton($family, $host);
    bind($socket, $family == AF_INET6 ? pack_sockaddr_in6($port, $address) : pack_sockaddr_in($port, $address)) or return 0;
    listen($socket, BACKLOG) or return 0;
    # nginx does not do this itself to sockets that it is given.
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK) or die "no waiting on $_: $!\n";
    push @opened, $socket;
  }
  @sockets = @opened;
  return 1;
}

# nginx, in a process group of its own, by which its workers are found when it is gone.
sub start {
  defined(my $pid = fork) or die "no process: $!\n";
  if ($pid) {
    setpgrp $pid, $pid;
    return $pid;
  }
  setpgrp 0, 0;
  $SIG{$_} = 'DEFAULT' for qw(TERM HUP INT PIPE);
  $ENV{NGINX} = join '', map { fileno($_) . ';' } @sockets;
  exec { $nginx[0] } @nginx or POSIX::_exit(127);
}

sub quit { kill 'QUIT', -$_[0] if $_[0] > 1 }

sub nap { select undef, undef, undef, $_[0] }

# Seconds since the boot.
sub now { (split ' ', read_file('/proc/uptime'))[0] }

sub note { print STDERR POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime), " $_[0]\n" }

sub read_file {
  open my $file, '<', $_[0] or return '';
  local $/;
  return <$file> // '';
}

sub write_file {
  open my $file, '>', "$_[0].new" or die "$_[0]: $!\n";
  print $file $_[1];
  close $file or die "$_[0]: $!\n";
  rename "$_[0].new", $_[0] or die "$_[0]: $!\n";
}
