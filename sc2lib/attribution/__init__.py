"""Attribution: from code to the SWHIDs, repositories and licences of the training files that contain it."""
