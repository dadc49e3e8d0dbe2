from flask import Flask

app = Flask(__name__)


@app.route("/")
def index():
    """Una página mínima."""
    return "<h1>App desplegada</h1>"
