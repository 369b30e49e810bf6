package docker

func (s *Server) usageRoutes() {}
