"""python -m litemono.synthetic: render a small street world."""

from litemono.synthetic.writer import main

main()
