/** What the packet rules are made from. */
export interface FirewallFacts {
  /** Name of the table: ours alone. */
  table: string;
  /** All interfaces of dynos begin with this. */
  interfacePrefix: string;
  /** `10.77.0.0/16`. */
  subnet: string;
  /** Name servers that dynos may ask, wherever they are. */
  resolvers: readonly string[];
}

/**
 * The nftables ruleset, replaced in one transaction. Dynos reach the outside by masquerade and the name servers; they do not reach the
 * host, each other, or link-local addresses (cloud metadata), cannot send from another address than their own, and nobody but the
 * host itself opens connections to them.
 */
export function firewallRules(facts: FirewallFacts): string {
  const dynos = `"${facts.interfacePrefix}*"`;
  // A reset ends a TCP connection at once; after an ICMP message Linux tries for another second.
  const refuse = (match: string): string =>
    `${match} meta l4proto tcp reject with tcp reset\n    ${match} reject with icmpx type admin-prohibited`;
  const names = `ip daddr { ${facts.resolvers.join(", ")} } meta l4proto { tcp, udp } th dport 53 accept`;
  return `table inet ${facts.table} {}
delete table inet ${facts.table}
table inet ${facts.table} {
  chain antispoof {
    type filter hook prerouting priority raw; policy accept;
    iifname ${dynos} meta nfproto ipv6 drop
    iifname ${dynos} fib saddr . iif oif missing drop
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname ${dynos} ct state established,related accept
    iifname ${dynos} ${names}
    ${refuse(`iifname ${dynos}`)}
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    oifname ${dynos} ct state established,related accept
    ${refuse(`oifname ${dynos}`)}
    iifname ${dynos} ${names}
    ${refuse(`iifname ${dynos} ip daddr { 169.254.0.0/16, ${facts.subnet} }`)}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${facts.subnet} oifname != ${dynos} masquerade
  }
}
`;
}

/** Takes the table away. */
export function firewallRemoval(table: string): string {
  return `table inet ${table} {}\ndelete table inet ${table}\n`;
}

/**
 * The iptables rules that let dynos' packets through where another program (Docker, ufw) has set the FORWARD chain to drop what it does
 * not know: an accept in our own table does not overrule a drop in theirs. Each rule without the verb (`-C`, `-I`, `-D`).
 */
export function forwardExceptions(interfacePrefix: string): string[][] {
  return [
    ["FORWARD", "-i", `${interfacePrefix}+`, "-j", "ACCEPT"],
    ["FORWARD", "-o", `${interfacePrefix}+`, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
  ];
}
