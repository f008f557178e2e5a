"""The database of db_send.py and db_recv.py, a table of records. Commands: init, insert (lines of input), list."""

import argparse
import sqlite3
import sys

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="a file name")
    parser.add_argument("commands", nargs="+", choices=["init", "insert", "list"])
    options = parser.parse_args()
    database = sqlite3.connect(options.database)
    for command in options.commands:
        with database:
            if command == "init":
                database.execute("DROP TABLE IF EXISTS records")
                database.execute("CREATE TABLE records(id INTEGER PRIMARY KEY AUTOINCREMENT, description TEXT)")
            elif command == "insert":
                for line in sys.stdin:
                    database.execute("INSERT INTO records(description) VALUES (?)", (line.rstrip("\n"),))
            else:
                for row in database.execute("SELECT id, description FROM records ORDER BY id"):
                    print(*row)
    database.close()
