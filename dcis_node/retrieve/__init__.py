"""Missing views: asked for by C-FIND, brought by C-MOVE to ourselves; they arrive by the storage SCP like others."""
