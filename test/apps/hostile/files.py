number = 0
while True:
    try:
        open(f"/tmp/{number}", "w").close()
        number += 1
    except OSError:
        pass
