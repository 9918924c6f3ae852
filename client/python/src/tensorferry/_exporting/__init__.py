"""How `tensorferry.export` does its work. The only part of the package that imports torch."""
