"""Runs the server of the package tensorferry-server: `python -m` of this module takes the server's flags."""

import sys


def main() -> None:
    try:
        from tensorferry_server import run_server
    except ModuleNotFoundError:
        sys.exit("the server is not installed: it is in the package tensorferry-server")
    run_server()


if __name__ == "__main__":
    main()
