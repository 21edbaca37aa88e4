"""Single nodules of patients, with the votes and ratings of several readers: from an archive to a prepared cohort."""
