"""Two records of one person become one, with a journal of every row moved, and exactly two again if that was wrong."""
