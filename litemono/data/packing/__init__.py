"""`litemono prepare`: fetching archives, and packs made of them. How packs are read: ../stores.

download_command.py     prepare download; download.py: parallel, through dropped connections; http.py: seekable remote files
sources.py              zips, remote zips and folders, all read alike
requirements.py         what a split needs of each drive

split.py                prepare pack, of a split; before_packing.py: what is looked at first
processes.py            one for each drive; drive.py: one drive
drive_maps.py           its depth and masks; refine_maps.py: prepare maps, of litemono refine
picture_commands.py     prepare pack of single pictures; picture_pack.py: one folder of them
output_folder.py        the folder that is filled: apart from its source, by one process at a time
map_files.py            depth and masks out of a source, for both kinds; appending.py: adding to a file of a pack
composites.py           prepare pack-composites
motorcycle.py           prepare motorcycle

verify.py               prepare verify; composites_verify.py: of composites
"""
