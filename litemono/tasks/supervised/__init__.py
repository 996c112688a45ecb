"""`litemono finetune`: depth networks trained on ground truth."""
