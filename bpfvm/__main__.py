"""python -m bpfvm"""

from bpfvm.cli import main

if __name__ == "__main__":
    main()
