import os
import time

from decouple import config
from flask import Flask, jsonify, render_template, request

app = Flask(__name__)


@app.route("/")
def home():
    return render_template("home.html", greeting=config("GREETING", default="Hola, mundo"))


@app.route("/dyno")
def dyno():
    """What a dyno knows of itself, for the tests."""
    names = ("DYNO", "PORT", "HOME", "GREETING", "WEB_CONCURRENCY")
    return jsonify({name: os.environ.get(name) for name in names} | {"cwd": os.getcwd(), "uid": os.getuid()})


@app.route("/headers")
def headers():
    return jsonify(dict(request.headers))


@app.route("/slow")
def slow():
    time.sleep(float(request.args.get("seconds", "1")))
    return "done\n"


if __name__ == "__main__":
    app.run()
