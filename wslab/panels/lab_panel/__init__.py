"""``LabPanel``: the recording as a ladder, and every byte of the selected record."""
