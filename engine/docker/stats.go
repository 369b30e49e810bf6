package docker

func (s *Server) statsRoutes() {}
