"""The check that stands between building and storing: each object is read back from its bytes and held to the answer.

It asks what a validator cannot know: is this the right patient, do the references lead to received objects, do the
outlines and the mask lie where the model put them. Texts of errors name UIDs and tags, never a patient's values.
"""
