const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const express = require("express");

const app = express();
const port = process.env.PORT || 5006;

app.use(express.static(join(__dirname, "public")));
app.get("/", (_request, response) => response.send("<h1>Hello from Express</h1>"));
app.get("/built", (_request, response) => response.type("text").send(readFileSync(join(__dirname, "built.txt"), "utf8")));
app.get("/version", (_request, response) => response.type("text").send(process.version));

app.listen(port, () => console.log(`Listening on ${port}`));
