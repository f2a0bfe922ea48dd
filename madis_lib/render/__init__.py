"""Pictures, an interactive player and exports of SMPL-X motion."""
