"""Handed in: from whatever a platform exports to one file a student, and to its cells.

collect       a folder or an archive into the course        layouts      whose a file is, by the platform's names
choose        one file a student                            people       which student a platform's number means
submitted     what lies in the course folder                sheets       tables as people and platforms save them
reading       bytes as cells, however damaged               rebuild      the cells on those of the release
"""
