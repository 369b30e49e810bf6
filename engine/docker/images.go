package docker

func (s *Server) imageRoutes() {}
