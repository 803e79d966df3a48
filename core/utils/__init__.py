"""What every part uses: atomic writes, versions, process priority. No torch."""
