import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { routeOf, startRouter, tcpBackend, type Backend, type TestRouter, withoutNginx } from "./router.test-support.ts";

/**
 * What a client may send to have the router and the dyno read two different requests. `HOST` is the app's host; every entry ends with
 * `SMUGGLED`, a whole request of its own, where a reader who is misled would find it.
 */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
const CHUNKED = `0\r\n\r\n${SMUGGLED}`;
const post = (headers: string, body: string): string => `POST /first HTTP/1.1\r\nHost: HOST\r\n${headers}\r\n\r\n${body}`;
const get = (headers: string): string => `GET /first HTTP/1.1\r\nHost: HOST\r\n${headers}\r\n\r\n${SMUGGLED}`;

const CORPUS: Record<string, string> = {
  "CL.TE": post("Content-Length: 6\r\nTransfer-Encoding: chunked", CHUNKED),
  "TE.CL": post("Transfer-Encoding: chunked\r\nContent-Length: 4", `5c\r\n${SMUGGLED}\r\n0\r\n\r\n`),
  "two lengths": post("Content-Length: 0\r\nContent-Length: 44", SMUGGLED),
  "two equal lengths": post("Content-Length: 0\r\nContent-Length: 0", SMUGGLED),
  "a list of lengths": post("Content-Length: 0, 44", SMUGGLED),
  "a signed length": post("Content-Length: +0", SMUGGLED),
  "a negative length": post("Content-Length: -1", SMUGGLED),
  "a hexadecimal length": post("Content-Length: 0x0", SMUGGLED),
  "a length with an underscore": post("Content_Length: 44", SMUGGLED),
  "a length too large for any number": post("Content-Length: 99999999999999999999999", SMUGGLED),
  "an empty length": post("Content-Length:", SMUGGLED),
  "a length after a tab": post("Content-Length:\t0", SMUGGLED),
  "a space before the colon of a length": post("Content-Length : 44", SMUGGLED),
  "a space before the colon of an encoding": post("Transfer-Encoding : chunked", CHUNKED),
  "a tab before the colon of an encoding": post("Transfer-Encoding\t: chunked", CHUNKED),
  "a space before an encoding": post("X: y\r\n Transfer-Encoding: chunked", CHUNKED),
  "an encoding with an underscore": post("Transfer_Encoding: chunked", CHUNKED),
  "an unknown encoding": post("Transfer-Encoding: xchunked", CHUNKED),
  "an encoding that is no token": post('Transfer-Encoding: "chunked"', CHUNKED),
  identity: post("Transfer-Encoding: identity\r\nContent-Length: 0", SMUGGLED),
  "two encodings in one line": post("Transfer-Encoding: chunked, identity", CHUNKED),
  "two encodings in two lines": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", CHUNKED),
  "an encoding in capitals": post("TRANSFER-ENCODING: CHUNKED", CHUNKED),
  "an encoding with a vertical tab": post("Transfer-Encoding: \u000bchunked", CHUNKED),
  "an encoding with a NUL": post("Transfer-Encoding: chunked\0", CHUNKED),
  "an encoding with a NUL in its name": post("Transfer-\0Encoding: chunked", CHUNKED),
  "an encoding folded over two lines": post("Transfer-Encoding:\r\n chunked", CHUNKED),
  "an encoding after a bare CR": post("X: y\rTransfer-Encoding: chunked", CHUNKED),
  "an encoding after a bare LF": post("X: y\nTransfer-Encoding: chunked", CHUNKED),
  "an encoding for HTTP/1.0": `POST /first HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED}`,
  "a folded header": get("X: y\r\n Host: other.localhost"),
  "a chunk size with a sign": post("Transfer-Encoding: chunked", `+0\r\n\r\n${SMUGGLED}`),
  "a chunk size in 0x": post("Transfer-Encoding: chunked", `0x0\r\n\r\n${SMUGGLED}`),
  "a chunk size with spaces": post("Transfer-Encoding: chunked", ` 0 \r\n\r\n${SMUGGLED}`),
  "a chunk size too large": post("Transfer-Encoding: chunked", `fffffffffffffffff0\r\n\r\n${SMUGGLED}`),
  "a chunk size that is none": post("Transfer-Encoding: chunked", `z\r\n\r\n${SMUGGLED}`),
  "a chunk extension with a line end": post("Transfer-Encoding: chunked", `0;a="\r\n"\r\n\r\n${SMUGGLED}`),
  "a chunk extension after a bare LF": post("Transfer-Encoding: chunked", `2;\nxx\r\n1\r\nA\r\n0\r\n\r\n${SMUGGLED}`),
  "a chunk that ends without a line end": post("Transfer-Encoding: chunked", `1\r\nA0\r\n\r\n${SMUGGLED}`),
  "chunks with bare LFs": post("Transfer-Encoding: chunked", `1\nA\n0\n\n${SMUGGLED}`),
  "a trailer that is an encoding": post(
    "Transfer-Encoding: chunked",
    `0\r\nTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n${SMUGGLED}`,
  ),
  "two hosts": get("Host: other.localhost"),
  "a host with a path": `GET /first HTTP/1.1\r\nHost: HOST/x\r\n\r\n${SMUGGLED}`,
  "a host with an at": `GET /first HTTP/1.1\r\nHost: x@HOST\r\n\r\n${SMUGGLED}`,
  "an absolute address of another host": `GET http://other.localhost/first HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "an absolute address of the platform": `GET http://localhost/first HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "no host": `GET /first HTTP/1.1\r\n\r\n${SMUGGLED}`,
  "a space in the address": `GET /first HTTP/1.1\r\nX: HTTP/1.1 HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`.replace(
    "/first",
    "/first x",
  ),
  "a NUL in the address": `GET /fi\0rst HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a line end in the address": `GET /first\r HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "an encoded line end in the address": `GET /first%0d%0aX:%20y HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a method that is none": `GE(T /first HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a tab in the request line": `GET\t/first\tHTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a version with a space": `GET /first HTTP/1.1 \r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a version of the future": `GET /first HTTP/1.9\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a version that is none": `GET /first HTTP/1.1x\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "only LFs": `GET /first HTTP/1.1\nHost: HOST\n\n${SMUGGLED}`,
  "only CRs": `GET /first HTTP/1.1\rHost: HOST\r\r${SMUGGLED}`,
  "empty lines before": `\r\n\r\nGET /first HTTP/1.1\r\nHost: HOST\r\n\r\n${SMUGGLED}`,
  "a header without a name": get(": y"),
  "a header without a colon": get("nonsense"),
  "a header with a CR in it": get("X: y\rz"),
  "a header with a NUL in it": get("X: y\0z"),
  "a length that Connection names": post("Connection: Content-Length, close\r\nContent-Length: 44", SMUGGLED),
  "an encoding that Connection names": post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", CHUNKED),
  "an upgrade to h2c": get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
  "an expectation with a body": post("Expect: 100-continue\r\nContent-Length: 0", SMUGGLED),
  "the beginning of HTTP/2": `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`,
};

describe("malformed requests", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let backend: Backend;
  let seen: string[] = [];
  const route = routeOf("up");
  before(async () => {
    test = await startRouter();
    backend = await tcpBackend((socket) => {
      let bytes = "";
      const index = seen.push("") - 1;
      let answered = 0;
      socket.on("data", (chunk) => {
        bytes += chunk.toString("latin1");
        seen[index] = bytes;
        for (const wanted = strictRequests(bytes).requests.length; answered < wanted; answered += 1)
          socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
      });
    });
    await test.router.publish({ ...route, backends: [{ dyno: "web.1", address: "127.0.0.1", port: backend.port }] });
  });
  after(async () => {
    backend.close();
    await test.close();
  });
  beforeEach(() => {
    seen = [];
  });

  for (const [name, text] of Object.entries(CORPUS)) {
    it(`are read the same on both sides, or refused: ${name}`, async () => {
      const answers = await conversation(test.port, text.replaceAll("HOST", route.hosts[0]!));
      const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)]
        .map(([, status]) => Number(status))
        .filter((status) => status !== 100);
      const served = statuses.filter((status) => status === 200).length;
      const read = seen.map(strictRequests);
      for (const { rest } of read) assert.equal(rest, "", `the dyno is left with what is no request: ${JSON.stringify(seen)}`);
      const requests = read.flatMap((each) => each.requests);
      assert.equal(requests.length, served, `as many requests as answers: ${JSON.stringify([statuses, seen])}`);
      for (const request of requests) {
        assert.equal(request.host, route.hosts[0], "only the app's own");
        assert.ok(["/first", "/smuggled", "/first%0d%0aX:%20y"].includes(request.path), request.path);
      }
      assert.equal(requests.filter(({ path }) => path === "/smuggled").length <= 1, true);
      const last = statuses.at(-1);
      assert.ok(last === 200 || last === undefined || (last >= 400 && last < 600), `${statuses.join()}`);
    });
  }
});

/** Longer than any answer takes here: a router that says no more waits for more of the request. */
const QUIET_MS = 400;

/** All that the router says to these bytes, until it closes or waits. */
async function conversation(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.setTimeout(QUIET_MS, () => socket.destroy());
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return text;
}

interface Read {
  path: string;
  host: string | undefined;
}

/** The requests in the bytes, as the strictest reader finds them; `rest`: what is no whole request. */
function strictRequests(bytes: string): { requests: Read[]; rest: string } {
  const requests: Read[] = [];
  for (let rest = bytes; ;) {
    const head = /^([A-Z]+) ([!-~]+) HTTP\/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\t -~\x80-\xff]*\r\n)*)\r\n/.exec(rest);
    if (head === null) return { requests, rest };
    const [whole, , path = "", headers = ""] = head;
    const fields = headers.split("\r\n").map((line) => /^([^:]+): ?(.*)$/.exec(line) ?? []);
    const valuesOf = (name: string): string[] =>
      fields.filter(([, each]) => each?.toLowerCase() === name).map(([, , value]) => value ?? "");
    const [lengths, encodings, hosts] = ["content-length", "transfer-encoding", "host"].map(valuesOf);
    if (lengths!.length + encodings!.length > 1 || hosts!.length !== 1) return { requests, rest };
    let end = whole.length;
    if (lengths!.length === 1) {
      if (!/^\d+$/.test(lengths![0]!)) return { requests, rest };
      end += Number(lengths![0]);
    } else if (encodings!.length === 1) {
      const body = encodings![0] === "chunked" ? /^(?:([0-9a-f]+)\r\n[^]*?\r\n)*?0\r\n\r\n/.exec(rest.slice(end)) : null;
      if (body === null) return { requests, rest };
      end += body[0].length;
    }
    if (rest.length < end) return { requests, rest };
    requests.push({ path, host: hosts![0] });
    rest = rest.slice(end);
  }
}
