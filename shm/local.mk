# shm
